"""What is read, a module for each subject: statements on the views, and the answers made of their rows."""
