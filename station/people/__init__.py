"""Who may do what: accounts, passwords, sign-ins, seats, approvals."""
