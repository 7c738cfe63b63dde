"""Storage commitment: asked of partners, and given to those who sent."""
