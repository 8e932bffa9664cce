"""rsft-bench: is rejection-sampling fine-tuning worth it for your support model?"""

__version__ = "0.1.0"
