"""The newest features of every client, from the offline store, as serving would read them online."""
