"""The pages of the web admin. A page is a route, a template and view models; see jobs.py for the fullest. routes.py lists them."""
