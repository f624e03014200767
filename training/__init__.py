"""Recipes, the one loop that trains every detector by them, and studies made of many runs."""
