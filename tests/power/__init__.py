"""Power loss: what a process asked of its disk is recorded, and every state that a cut could leave is opened again."""
