"""HTTP: the application, its routes, its documents and pages. The only room that knows a status code."""
