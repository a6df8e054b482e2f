"""Draws from a posterior: reflective Hamiltonian Monte Carlo on a polytope, in compiled groups of chains."""
