"""The entry that Streamlit runs: which pages there are. What stands on them is in the modules of the same name."""

from __future__ import annotations

from ocr_pipeline.studio.browse_page import browse_page
from ocr_pipeline.studio.funnel_page import funnel_page
from ocr_pipeline.studio.review_page import review_page


def main() -> None:
    """Show the chosen page."""
    import streamlit as st

    st.set_page_config(page_title="ocr-pipeline studio", page_icon=":material/rule:", layout="wide")
    pages = [
        st.Page(review_page, title="Review", icon=":material/compare:", url_path="review", default=True),
        st.Page(browse_page, title="Browse", icon=":material/search:", url_path="browse"),
        st.Page(funnel_page, title="Funnel", icon=":material/filter_alt:", url_path="funnel"),
    ]
    st.navigation(pages, position="top").run()


if __name__ == "__main__":
    main()
