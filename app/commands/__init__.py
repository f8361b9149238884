"""The commands of `medidiagnose`, one module each: `add` declares its arguments and names what it runs."""
