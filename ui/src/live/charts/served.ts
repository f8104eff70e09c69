/** What a line is called that is, window by window, of the version that was set to serve. */
export const AS_SERVED = "as served";
