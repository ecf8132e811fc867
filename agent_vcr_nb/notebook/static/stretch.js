/* built from widgets/src sha256:2b63d6eeedffbb4327542cb2fceff2f337fb46e2975dafe233d7e4ed12bc1b1a - do not edit */
function i({el:r}){let n=0,t=new ResizeObserver(()=>{let e=r.clientWidth;e===0||e===n||(n=e,requestAnimationFrame(()=>window.dispatchEvent(new Event("resize"))))});return t.observe(r),()=>t.disconnect()}var d={render:i};export{d as default};
