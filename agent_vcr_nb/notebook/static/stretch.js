/* built from widgets/src sha256:981901b3d2e62c23eb367c83768fe85e84e8c5b5872c33cb7f3865a773c5a151 - do not edit */
function i({el:r}){let n=0,t=new ResizeObserver(()=>{let e=r.clientWidth;e===0||e===n||(n=e,requestAnimationFrame(()=>window.dispatchEvent(new Event("resize"))))});return t.observe(r),()=>t.disconnect()}var d={render:i};export{d as default};
