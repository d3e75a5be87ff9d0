"""The course's bot: answers messages and guesses who is a bot, through the gateway."""
