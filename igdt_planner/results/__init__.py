"""What results are, and their documents; how they were found is not known here."""
