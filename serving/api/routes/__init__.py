"""Operations by subject: each module makes one router for the application."""
