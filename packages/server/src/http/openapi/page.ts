import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type PublicFile, publicFile } from './files.ts';

/** Its names hold their content's hash. */
const FOREVER = { 'Cache-Control': 'public, max-age=31536000, immutable' };

/** Nothing from elsewhere, nothing inline, nothing made of text. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The validator that Swagger UI asks by default would be sent the document. */
const START = `'use strict';
SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: 'none',
  filter: true,
  validatorUrl: null,
});
`;

/** The page, and the files that it loads by name. */
export interface DocumentationPage {
  readonly page: PublicFile;
  readonly files: ReadonlyMap<string, PublicFile>;
}

/** Swagger UI over the document, from files of this server alone. The page stands at `…/docs`. */
export function documentationPage(): DocumentationPage {
  const directory = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const read = (name: string): Buffer => readFileSync(join(directory, name));
  const files = new Map<string, PublicFile>();
  const add = (stem: string, extension: 'css' | 'js', bytes: Buffer): string => {
    const type = extension === 'css' ? 'text/css' : 'text/javascript';
    const file = publicFile(bytes, `${type};charset=utf-8`, FOREVER);
    const name = `${stem}.${file.hash.slice(0, 16)}.${extension}`;
    files.set(name, file);
    return `docs/${name}`;
  };
  const style = add('swagger-ui', 'css', read('swagger-ui.css'));
  const bundle = add('swagger-ui-bundle', 'js', read('swagger-ui-bundle.js'));
  const start = add('start', 'js', Buffer.from(START));
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Linkspan API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${style}">
</head>
<body>
<noscript>This page needs JavaScript. The document itself is at <a href="openapi.json">openapi.json</a>.</noscript>
<div id="swagger-ui"></div>
<script src="${bundle}"></script>
<script src="${start}"></script>
</body>
</html>
`;
  const page = publicFile(Buffer.from(html), 'text/html;charset=utf-8', {
    'Cache-Control': 'no-cache',
    'Content-Security-Policy': POLICY,
  });
  return { page, files };
}
