"""The interactive API pages, with their scripts served from here: many networks have no way to a CDN."""

from pathlib import Path
from typing import Final

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS_PATH: Final = "/docs/assets"
#: The scripts would load a logo from elsewhere: the browser must ask nobody but this service.
_OWN_ONLY: Final = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src 'self' blob:"
}


def add_docs_page(api: FastAPI) -> None:
    """Add `GET /docs` and `GET /redoc` and the files they need."""
    assets = Path(fastapi_offline.__file__).parent / "static"

    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url=str(api.openapi_url),
            title=api.title,
            swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS_PATH}/favicon.png",
        )
        return _from_here_only(page)

    async def redoc() -> HTMLResponse:
        page = get_redoc_html(
            openapi_url=str(api.openapi_url),
            title=api.title,
            redoc_js_url=f"{ASSETS_PATH}/redoc.standalone.js",
            redoc_favicon_url=f"{ASSETS_PATH}/favicon.png",
            with_google_fonts=False,
        )
        return _from_here_only(page)

    api.add_api_route("/docs", docs, include_in_schema=False)
    api.add_api_route("/redoc", redoc, include_in_schema=False)
    api.mount(ASSETS_PATH, StaticFiles(directory=assets), name="docs-assets")


def _from_here_only(page: HTMLResponse) -> HTMLResponse:
    page.headers.update(_OWN_ONLY)
    return page
