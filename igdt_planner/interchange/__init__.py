"""Readers and writers of case formats. Readers return a :class:`igdt_planner.case_schema.Document`, unjudged."""
