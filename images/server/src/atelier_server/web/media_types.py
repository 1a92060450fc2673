"""Media types of requests and responses."""

JSON = "application/json"
CSV = "text/csv"
OCTETS = "application/octet-stream"
MULTIPART = "multipart/form-data"
PNG = "image/png"
PICTURES = "image/*"
PROBLEM = "application/problem+json"
