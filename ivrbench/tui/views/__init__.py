"""Views: functions from the model to lines of text, without Textual."""
