"""What differs between conditions, and how sure that is among many fluxes."""
