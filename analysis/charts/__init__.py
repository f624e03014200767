"""What charts show: computed here, drawn as pictures and in the page."""
