/** The page that the `type` of each problem leads to. */
import { problemKinds } from '@darkroom/contract';
import type { Api } from '../context.ts';

const whose = { yours: 'the request or its files', ours: 'this service', limit: 'a limit set here' } as const;

const style = `body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
h2 { font-size: 1.1rem; margin: 2rem 0 .25rem } h2 a { color: inherit; text-decoration: none }
code { background: #eee; padding: .1em .3em; border-radius: 3px } p { margin: .25rem 0 } :target { background: #fff3c4 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } code { background: #333 } a { color: #8ab4f8 } :target { background: #4a3f12 } }
`;

/** Registers the page. */
export function registerProblemPage(api: Api): void {
  const page = render();
  api.get('/docs/problems', (c) => c.html(page));
  api.get('/docs/problems.css', (c) => c.body(style, 200, { 'content-type': 'text/css; charset=utf-8' }));
}

function render(): string {
  const sections = Object.entries(problemKinds).map(
    ([code, { title, status, fault, retryable, next }]) => `<section id="${code}">
<h2><a href="#${code}"><code>${code}</code></a> ${escaped(title)}</h2>
<p>Status ${status}. It lies with ${whose[fault]}. Trying the same again ${retryable ? 'can help' : 'does not help'}.</p>
<p><strong>Next:</strong> ${coded(escaped(next))}</p>
</section>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Problems · Darkroom API</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/problems.css">
</head>
<body>
<h1>Problems</h1>
<p>Every error of the <a href="/docs">API</a>, and every failed job or item, names one of these codes.</p>
${sections.join('\n')}
</body>
</html>
`;
}

/** Backquotes as Markdown means them. */
const coded = (html: string): string => html.replaceAll(/`([^`]+)`/g, '<code>$1</code>');

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
