"""The service proxy: the kernel's firewall leads connections to services to the pods behind them."""
