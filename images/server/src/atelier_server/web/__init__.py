"""HTTP: the application, its routes, its documents and pages. The only package that knows a status code."""
