"""The engine where its two faces do not matter: races, crashes, the supervisor."""
