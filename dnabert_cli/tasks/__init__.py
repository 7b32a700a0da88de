"""One plain function per subcommand."""
