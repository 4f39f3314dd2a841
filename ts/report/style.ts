/** The whole look of a page: both colour schemes, narrow screens, paper. Refers to nothing. */
export const styleSheet = `
:root{--page:#fbfbfa;--card:#fff;--ink:#1d2329;--quiet:#5d6873;--line:#dfe3e7;--accent:#2f6fae;
--good:#1f7a4d;--bad:#b23c2e;--note:#eef4fa;--warning:#fdf1df;--warning-ink:#8a5200}
@media (prefers-color-scheme:dark){:root{--page:#14171b;--card:#1b2026;--ink:#e4e8ec;--quiet:#9aa6b2;
--line:#303840;--accent:#74b0e8;--good:#64c795;--bad:#f0897b;--note:#1d2a37;--warning:#38290f;
--warning-ink:#f2c377}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:1080px;padding:2rem 1.25rem 4rem;background:var(--page);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{margin:0;font-size:1.75rem;line-height:1.25;letter-spacing:-.01em}
h2{margin:0 0 .9rem;font-size:1.15rem}
h3{margin:0 0 .4rem;font-size:.85rem;font-weight:600;color:var(--quiet);overflow-wrap:anywhere}
p{margin:0 0 .8rem;max-width:72ch;overflow-wrap:anywhere}
.subtitle{margin:.35rem 0 0;color:var(--quiet);overflow-wrap:anywhere}
.badge{display:inline-block;vertical-align:middle;padding:.15rem .6rem;border-radius:1rem;font-size:.8rem;
font-weight:600;letter-spacing:.03em;background:var(--warning);color:var(--warning-ink)}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin-top:.9rem;font-size:.9rem}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
section{margin-top:1.5rem;padding:1.25rem 1.4rem;background:var(--card);border:1px solid var(--line);
border-radius:10px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:.9rem;margin:0 0 1rem}
.figures dt{font-size:.8rem;color:var(--quiet)}
.figures dd{margin:0;font-size:1.45rem;font-weight:600;font-variant-numeric:tabular-nums;
overflow-wrap:anywhere}
.figures .note{font-size:.78rem;font-weight:400;color:var(--quiet)}
.notice{padding:.6rem .9rem;border-left:3px solid var(--accent);border-radius:4px;background:var(--note);
max-width:none}
.notice.warning{border-left-color:var(--warning-ink);background:var(--warning);color:var(--warning-ink)}
.scroll{overflow-x:auto;margin:0 0 1rem}
table{border-collapse:collapse;min-width:50%;font-size:.9rem}
caption{padding-bottom:.4rem;text-align:left;font-weight:600}
th,td{padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top;overflow-wrap:anywhere}
th{font-weight:600;color:var(--quiet)}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
details{margin:0 0 1rem}
summary{cursor:pointer;color:var(--accent);font-size:.9rem}
figure{margin:0 0 1.4rem}
figcaption{margin-bottom:.4rem;font-weight:600;font-size:.95rem}
figcaption span{font-weight:400;color:var(--quiet)}
.chart{overflow-x:auto}
.chart svg{display:block;max-width:100%;height:auto;color:var(--ink)}
.sample{padding:.8rem 0;border-top:1px solid var(--line)}
.sample:first-of-type{border-top:0;padding-top:0}
.sample dl{display:grid;grid-template-columns:minmax(80px,max-content) 1fr;gap:.25rem 1rem;margin:0}
.sample dt{color:var(--quiet);font-size:.85rem}
.sample dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
.sample .good{color:var(--good)}
.sample .bad{color:var(--bad)}
@media (max-width:560px){section{padding:1rem}.sample dl{grid-template-columns:1fr}}
@media print{:root{--page:#fff;--card:#fff;--ink:#000;--quiet:#444;--line:#bbb}body{max-width:none;padding:0;
font-size:11px}nav{display:none}section{border:0;padding:0;margin-top:1rem}figure,.sample,tr{break-inside:avoid}
details:not([open])>*{display:block}
details::details-content{content-visibility:visible;display:block}}
`;
