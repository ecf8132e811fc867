/* built from widgets/src sha256:a01149a70c67eebf59c5dd7a2d39df1f2fdbfed9ce5f812fc9ccd6b56075fdbf - do not edit */
function i({el:r}){let n=0,t=new ResizeObserver(()=>{let e=r.clientWidth;e===0||e===n||(n=e,requestAnimationFrame(()=>window.dispatchEvent(new Event("resize"))))});return t.observe(r),()=>t.disconnect()}var d={render:i};export{d as default};
