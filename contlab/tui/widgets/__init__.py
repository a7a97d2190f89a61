"""One file a widget: attributes down, messages up."""
