"""The interactive API pages, with their scripts served from here: many networks have no way to a CDN."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS_PATH = "/docs/assets"
_INLINE_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def add_docs_page(api: FastAPI) -> None:
    """Add `GET /docs`, `GET /redoc` and the files they need."""
    assets = Path(fastapi_offline.__file__).parent / "static"

    async def docs() -> HTMLResponse:
        return guarded(
            get_swagger_ui_html(
                openapi_url=str(api.openapi_url),
                title=api.title,
                swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
                swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
                swagger_favicon_url=f"{ASSETS_PATH}/favicon.png",
            )
        )

    async def redoc() -> HTMLResponse:
        return guarded(
            get_redoc_html(
                openapi_url=str(api.openapi_url),
                title=api.title,
                redoc_js_url=f"{ASSETS_PATH}/redoc.standalone.js",
                redoc_favicon_url=f"{ASSETS_PATH}/favicon.png",
                with_google_fonts=False,
            )
        )

    api.add_api_route("/docs", docs, include_in_schema=False)
    api.add_api_route("/redoc", redoc, include_in_schema=False)
    api.mount(ASSETS_PATH, StaticFiles(directory=assets), name="docs-assets")


def guarded(page: HTMLResponse) -> HTMLResponse:
    """`page` with a policy: scripts from here and its own inline ones, no other host, no frame around it."""
    hashes = [hashlib.sha256(script).digest() for script in _INLINE_SCRIPT.findall(page.body)]
    inline = "".join(f" 'sha256-{base64.b64encode(each).decode()}'" for each in hashes)
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self'{inline}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
    return page
