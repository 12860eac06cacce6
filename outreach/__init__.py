"""The domain: campaigns, leads, and the one mail that each lead gets. Never imports prefect."""
