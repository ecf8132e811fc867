/* built from widgets/src sha256:d0f8b3c9f424de9648c8e4b74cc99f6233e68d7f481c9d7c1d723081695bf81f - do not edit */
function i({el:r}){let n=0,t=new ResizeObserver(()=>{let e=r.clientWidth;e===0||e===n||(n=e,requestAnimationFrame(()=>window.dispatchEvent(new Event("resize"))))});return t.observe(r),()=>t.disconnect()}var d={render:i};export{d as default};
