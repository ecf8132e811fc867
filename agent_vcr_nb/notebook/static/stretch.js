/* built from widgets/src sha256:254a2f9b4469e6b60ca3fd2a55ad18de274a77b0780b79355d73405835b633d7 - do not edit */
function i({el:r}){let n=0,t=new ResizeObserver(()=>{let e=r.clientWidth;e===0||e===n||(n=e,requestAnimationFrame(()=>window.dispatchEvent(new Event("resize"))))});return t.observe(r),()=>t.disconnect()}var d={render:i};export{d as default};
