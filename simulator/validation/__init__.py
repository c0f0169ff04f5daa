"""What the simulator is held against: published and exact results, and the small cases that must reproduce them."""
