"""What people see: tables, text and pictures of plans and curves."""
