/* built from widgets/src sha256:79716423b45eb9b581dda182c6b3b9d4cee0d87d3646fd91d84ae760b3e7512b - do not edit */
function i({el:r}){let n=0,t=new ResizeObserver(()=>{let e=r.clientWidth;e===0||e===n||(n=e,requestAnimationFrame(()=>window.dispatchEvent(new Event("resize"))))});return t.observe(r),()=>t.disconnect()}var d={render:i};export{d as default};
