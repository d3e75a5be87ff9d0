from gateway.cli import main

if __name__ == "__main__":  # the guard matters: masking workers import this module
    raise SystemExit(main())
