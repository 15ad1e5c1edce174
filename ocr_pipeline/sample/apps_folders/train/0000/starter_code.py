def merge_watches(watches):
	