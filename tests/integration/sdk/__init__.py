"""Official clients as judges: what they accept is right."""
