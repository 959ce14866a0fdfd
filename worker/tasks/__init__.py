"""The bundled jobs, one file each, as a project of your own would have them."""
