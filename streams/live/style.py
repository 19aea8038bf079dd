"""How the guard's page looks, on a phone and in the dark too, and how it renews itself."""

STYLE = """
:root { --text: #1f2328; --dim: #59636e; --back: #fff; --card: #f6f8fa; --edge: #d1d9e0; --bad: #b00020;
  --on-bad: #fff; --off: #fdecee; --wait: #fff4d6; --bar: #4a6fa5; --link: #0757b8 }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ed; --dim: #9aa4af; --back: #0f1318; --card: #181e25;
  --edge: #333c46; --bad: #c62840; --on-bad: #fff; --off: #3a1820; --wait: #3a3115; --bar: #7ba3dd; --link: #7db4ff } }
* { box-sizing: border-box }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.2rem auto; max-width: 78rem; padding: 0 1rem;
  color: var(--text); background: var(--back); overflow-wrap: break-word }
h1 { font-size: 1.4rem; margin: 0 0 .6rem } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem }
p { margin: .4rem 0 } a { color: var(--link) } small { display: block; color: var(--dim); font-size: .82em }
.banner { padding: .6rem .9rem; border-radius: .4rem } .bad.banner { background: var(--bad); color: var(--on-bad) }
.wait.banner { background: var(--wait) }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .6rem; margin: .8rem 0 }
dl div { background: var(--card); border: 1px solid var(--edge); border-radius: .4rem; padding: .45rem .7rem }
dl div.bad { border-color: var(--bad); border-left-width: .35rem }
dt { color: var(--dim); font-size: .82em } dd { margin: 0; font-size: 1.1em; font-variant-numeric: tabular-nums }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
caption { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem .4rem }
th { color: var(--dim); font-size: .82em; font-weight: 600 } td { border-top: 1px solid var(--edge) }
.number { text-align: right; white-space: nowrap } td.long { overflow-wrap: anywhere; min-width: 7rem }
tr.off td { background: var(--off) } tr.off td:first-child { box-shadow: inset .3rem 0 var(--bad) }
tr.off td.status { font-weight: 700 }
.bar { display: block; height: .4rem; margin: .35rem 0 .2rem; border-radius: .2rem; background: var(--edge) }
.bar i { display: block; height: 100%; border-radius: .2rem; background: var(--bar) }
tr.off .bar i { background: var(--bad) }
footer { margin: 2rem 0 1rem; color: var(--dim); font-size: .9em } footer a { margin-left: .6rem }
@media (max-width: 60rem) {
  table, tbody, tr, td { display: block } thead { display: none }
  tr { border: 1px solid var(--edge); border-radius: .4rem; margin: .6rem 0; padding: .2rem .6rem;
    background: var(--card) }
  tr.off { background: var(--off); border-left: .35rem solid var(--bad) } tr.off td:first-child { box-shadow: none }
  td, td.long { overflow-wrap: anywhere; min-width: 0 }
  td, tr.off td { display: grid; grid-template-columns: 8rem 1fr; border: 0; padding: .18rem 0; background: none }
  td::before { content: attr(data-head); color: var(--dim) } .number { text-align: left }
  footer a { display: inline-block; padding: .35rem 0 } }
"""

SCRIPT = """
const banner = document.getElementById('banner'), main = document.querySelector('main');
let seen = new Date();
function say(next) {  // aloud only when something else is wrong, not whenever an age grows
  const [had, has] = [banner, next].map(each => each.querySelector('strong')?.textContent);
  if (had !== has) banner.innerHTML = next.innerHTML;
  else if (has) banner.querySelector('.ages').innerHTML = next.querySelector('.ages').innerHTML;
}
async function renew() {
  try {
    const answer = await fetch(location.pathname, { cache: 'no-store', signal: AbortSignal.timeout(4000) });
    if (!answer.ok) throw new Error(answer.status);
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (getSelection().isCollapsed) main.innerHTML = next.querySelector('main').innerHTML;
    say(next.getElementById('banner'));
    seen = new Date();
  } catch (error) {
    const next = document.createElement('div');
    next.innerHTML = `<p class="banner bad"><strong>The guard does not answer.</strong> <span class="ages"
      aria-live="off">The numbers below are of ${seen.toISOString().slice(11, 19)} UTC.</span></p>`;
    say(next);
  }
  setTimeout(renew, document.hidden ? 15000 : 3000);
}
setTimeout(renew, 3000);
"""
