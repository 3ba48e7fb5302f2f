"""The human surface: pages behind a login. It never takes a client token, and holds no markup: that is in `ui/`.

One module per resource; `routes` is the table of all of them, `visit` what each of them is given.
"""
