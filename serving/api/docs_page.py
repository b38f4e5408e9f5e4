"""The interactive API pages, with their scripts served from here: many networks have no way to a CDN."""

from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS_PATH = "/docs/assets"


def add_docs_page(api: FastAPI) -> None:
    """Add `GET /docs` and `GET /redoc` and the files they need."""
    assets = Path(fastapi_offline.__file__).parent / "static"

    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=str(api.openapi_url),
            title=api.title,
            swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS_PATH}/favicon.png",
        )

    async def redoc() -> HTMLResponse:
        return get_redoc_html(
            openapi_url=str(api.openapi_url),
            title=api.title,
            redoc_js_url=f"{ASSETS_PATH}/redoc.standalone.js",
            redoc_favicon_url=f"{ASSETS_PATH}/favicon.png",
            with_google_fonts=False,
        )

    api.add_api_route("/docs", docs, include_in_schema=False)
    api.add_api_route("/redoc", redoc, include_in_schema=False)
    api.mount(ASSETS_PATH, StaticFiles(directory=assets), name="docs-assets")
