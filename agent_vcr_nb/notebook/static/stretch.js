/* built from widgets/src sha256:d8e093272f7859d23eed8241c923d6685b0ccee8db329b77e13b5408cfca6727 - do not edit */
function i({el:r}){let n=0,t=new ResizeObserver(()=>{let e=r.clientWidth;e===0||e===n||(n=e,requestAnimationFrame(()=>window.dispatchEvent(new Event("resize"))))});return t.observe(r),()=>t.disconnect()}var d={render:i};export{d as default};
