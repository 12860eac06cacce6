"""Delivery: sends one mail, records its outcome, and reconciles open attempts."""
