"""The commands, by subject.

Their modules import at the top only what `atelier --help` needs: a command imports the rest when it runs, so that it
starts fast and needs only what it uses.
"""
