"""What is wrong with a campaign and its mails, before anything leaves."""
