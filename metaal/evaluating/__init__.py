"""The parts of an evaluation: which cells, how they are played, what may not be compared, what a store holds."""
