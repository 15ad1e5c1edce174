"""Handing a release on: what goes to a hub, under which name and licences, and what may not go.

``publication.py`` reads a release and refuses what licences forbid, ``hub.py`` sends it in one commit and gives it a tag.
"""
