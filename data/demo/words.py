"""Word lists the company's names, products, tickets and projects are made of. Fictional where they name anyone."""

from __future__ import annotations

from typing import NamedTuple


class City(NamedTuple):
    """A city with its province, sales region, 6-digit region code and dialling code."""

    name: str
    province: str
    region: str
    code: str
    area: str


CITIES = tuple(
    City(*row.split())
    for row in """上海 上海市 华东 310115 021|苏州 江苏省 华东 320594 0512
无锡 江苏省 华东 320214 0510|南京 江苏省 华东 320115 025
杭州 浙江省 华东 330106 0571|宁波 浙江省 华东 330206 0574
嘉兴 浙江省 华东 330402 0573|合肥 安徽省 华东 340104 0551
常州 江苏省 华东 320411 0519|深圳 广东省 华南 440305 0755
广州 广东省 华南 440112 020|东莞 广东省 华南 441900 0769
佛山 广东省 华南 440605 0757|珠海 广东省 华南 440402 0756
厦门 福建省 华南 350211 0592|福州 福建省 华南 350100 0591
惠州 广东省 华南 441303 0752|北京 北京市 华北 110108 010
天津 天津市 华北 120116 022|青岛 山东省 华北 370212 0532
济南 山东省 华北 370102 0531|大连 辽宁省 华北 210211 0411
沈阳 辽宁省 华北 210112 024|石家庄 河北省 华北 130108 0311
太原 山西省 华北 140105 0351|成都 四川省 西部 510107 028
重庆 重庆市 西部 500112 023|西安 陕西省 西部 610131 029
武汉 湖北省 西部 420111 027|长沙 湖南省 西部 430104 0731
昆明 云南省 西部 530112 0871|郑州 河南省 西部 410105 0371""".replace("\n", "|").split("|")
)
REGIONS = ("华东", "华南", "华北", "西部")

INDUSTRIES: dict[str, tuple[str, ...]] = {
    "装备制造": ("精密机械", "智能装备", "数控设备", "重工机械", "自动化"),
    "半导体": ("半导体", "微电子", "芯片科技", "晶圆材料"),
    "新能源": ("新能源科技", "储能技术", "光伏材料", "锂电科技"),
    "汽车零部件": ("汽车零部件", "汽车电子", "车桥", "传动系统"),
    "医疗器械": ("医疗器械", "医疗科技", "体外诊断"),
    "生物医药": ("生物医药", "制药", "生物科技"),
    "航空航天": ("航空技术", "航天材料", "飞行器部件"),
    "化工材料": ("化工", "新材料", "高分子材料", "涂料"),
    "食品饮料": ("食品", "乳业", "饮料"),
    "电子元件": ("电子", "光电科技", "电子元件", "通信设备"),
    "电力能源": ("电力设备", "电气", "能源科技"),
    "检测机构": ("检测技术", "计量检测", "检验认证"),
}
TRADE_FIRST = "云岚澄瑞恒启华诚博远景铭卓宏鼎泰盛嘉凯辰星海天信安达正弘汇聚联创新锐智拓越翔腾骏驰润泽源科晟昊"
TRADE_SECOND = "岚川峰达远科源泰恒晟安瑞德力成航宇通联诺迈特维思博创锐翔杰森昌隆兴邦信元盈鑫杉禾岳潭汀澜珂硕"

SURNAMES = tuple(
    tuple(pair.split(":"))
    for pair in [
        "王:wang",
        "李:li",
        "张:zhang",
        "刘:liu",
        "陈:chen",
        "杨:yang",
        "赵:zhao",
        "黄:huang",
        "周:zhou",
        "吴:wu",
        "徐:xu",
        "孙:sun",
        "胡:hu",
        "朱:zhu",
        "高:gao",
        "何:he",
        "郭:guo",
        "马:ma",
        "罗:luo",
        "梁:liang",
        "宋:song",
        "郑:zheng",
        "谢:xie",
        "韩:han",
        "唐:tang",
        "冯:feng",
        "于:yu",
        "董:dong",
        "萧:xiao",
        "程:cheng",
        "曹:cao",
        "袁:yuan",
        "邓:deng",
        "许:xu",
        "傅:fu",
        "沈:shen",
        "曾:zeng",
        "彭:peng",
        "吕:lv",
        "苏:su",
        "卢:lu",
        "蒋:jiang",
    ]
)
GIVEN = tuple(
    tuple(pair.split(":"))
    for pair in [
        "晓岚:xiaolan",
        "志远:zhiyuan",
        "建国:jianguo",
        "雅静:yajing",
        "文博:wenbo",
        "思琪:siqi",
        "海涛:haitao",
        "丽娜:lina",
        "子轩:zixuan",
        "慧敏:huimin",
        "俊杰:junjie",
        "雪梅:xuemei",
        "国强:guoqiang",
        "婷婷:tingting",
        "明辉:minghui",
        "佳怡:jiayi",
        "永康:yongkang",
        "静怡:jingyi",
        "浩然:haoran",
        "秀英:xiuying",
        "鹏飞:pengfei",
        "欣妍:xinyan",
        "立新:lixin",
        "美玲:meiling",
        "宇航:yuhang",
        "晨曦:chenxi",
        "若曦:ruoxi",
        "振华:zhenhua",
        "月华:yuehua",
        "嘉豪:jiahao",
        "玉兰:yulan",
        "天佑:tianyou",
        "素芬:sufen",
        "景行:jingxing",
        "伟:wei",
        "芳:fang",
        "磊:lei",
        "洋:yang",
        "敏:min",
        "强:qiang",
        "静:jing",
        "勇:yong",
        "艳:yan",
        "涛:tao",
        "娟:juan",
        "超:chao",
        "霞:xia",
        "鑫:xin",
    ]
)
ROLES = (
    ("采购经理", "采购部", "采购"),
    ("采购总监", "采购部", "采购"),
    ("财务主管", "财务部", "财务"),
    ("会计", "财务部", "财务"),
    ("设备工程师", "设备部", "技术"),
    ("质量经理", "质量部", "技术"),
    ("实验室主任", "实验室", "技术"),
    ("生产副总", "总经办", "决策"),
)

PRODUCTS = tuple(
    tuple(row.split(","))
    for row in """三坐标测量机,CMM,测量设备,台,480000|激光干涉仪,LIF,测量设备,台,236000
影像测量仪,VMS,测量设备,台,128000|圆度仪,RND,测量设备,台,165000|粗糙度轮廓仪,SRP,测量设备,台,98000|激光位移传感器,LDS,传感器,只,6800
光谱共焦传感器,CCS,传感器,只,15800|六维力传感器,FTS,传感器,只,23600|温湿度变送器,THT,传感器,只,1280
压力变送器,PTX,传感器,只,2360
在线测厚系统,THK,在线检测,套,356000|机器视觉检测站,MVS,在线检测,套,298000|气密性检测台,LKT,在线检测,套,142000
振动在线监测系统,VBM,在线检测,套,86000|标准量块套装,GBK,耗材备件,套,9600|测针组件,STY,耗材备件,套,3200|光学镜头模组,LNS,耗材备件,只,7400
校准标准球,CAL,耗材备件,只,4600|控制器主板,PCB,耗材备件,块,12800|数据采集软件许可,DAQ,软件,套,36000|测量分析软件许可,MAS,软件,套,58000""".replace(
        "\n", "|"
    ).split("|")
)

_HARDWARE = (
    "{p}读数漂移",
    "{p}无法开机",
    "{p}通信中断",
    "{p}校准证书缺页",
    "{p}重复性超差",
    "{p}固件升级安排",
    "{p}备件报价",
    "{p}操作培训时间确认",
    "{p}年度校准预约",
    "{p}报警代码 E{n} 如何处理",
    "{p}碰撞后精度检查",
    "{p}安装环境咨询",
    "{p}到货少件",
    "{p}保养周期咨询",
)
_SPARES = ("{p}备件报价", "{p}到货少件", "{p}型号确认", "{p}校准证书缺页", "{p}更换指导", "{p}交期查询")
_SOFTWARE = (
    "{p}激活失败",
    "{p}升级安排",
    "{p}数据导出失败",
    "{p}报表模板调整",
    "{p}报错 {n} 无法启动",
    "{p}增加用户数",
    "{p}操作培训时间确认",
)
TICKET_SUBJECTS = {
    "测量设备": _HARDWARE,
    "传感器": _HARDWARE,
    "在线检测": (*_HARDWARE, "{p}误报率偏高", "{p}节拍跟不上产线"),
    "耗材备件": _SPARES,
    "软件": _SOFTWARE,
}
PROJECT_NAMES = (
    "产线在线检测",
    "实验室建设",
    "计量室搬迁",
    "测量数据平台",
    "二期产线检测",
    "三坐标改造",
    "视觉检测升级",
    "车间振动监测",
    "校准体系搭建",
    "出厂检验自动化",
)
MILESTONES = ("启动会", "方案评审", "设备到货", "安装调试", "联调", "试运行", "验收")
TASKS = ("现场勘测", "夹具设计", "电气布线", "软件配置", "精度验证", "操作培训", "资料归档", "安全交底")
OPPORTUNITY_NAMES = (
    "产线检测设备采购",
    "实验室扩建",
    "传感器批量采购",
    "测量软件升级",
    "二期扩产",
    "备件框架",
    "设备更新换代",
    "新车间检测方案",
)
LOSS_REASONS = ("价格", "竞争对手", "项目取消", "预算冻结", "技术不匹配", "无响应")
CALL_SUBJECTS = (
    "催收逾期货款",
    "沟通续约意向",
    "确认到货时间",
    "询问扩产计划",
    "回访设备使用情况",
    "确认付款安排",
    "预约上门拜访",
    "沟通报价细节",
)
MAIL_SUBJECTS = ("发送报价单", "发送对账单", "发送合同扫描件", "回复技术问题", "发送培训资料", "发送催款函")
VISIT_SUBJECTS = ("拜访采购总监", "现场技术交流", "年度回顾会议", "新品演示", "验收会议", "高层互访")
CARRIERS = ("顺丰速运", "德邦物流", "京东物流", "跨越速运", "自提")
FOREIGN_FIRST = (
    "Nordhaven", "Silver Creek", "Lindqvist", "Harrow", "Bellavista", "Maple Ridge", "Kestrel Bay", "Rheintal",
    "Alderwood", "Stonebrook", "Falkenau", "Westerholm", "Montclair", "Tannberg", "Ashgrove", "Solvang",
    "Brightwater", "Eichenau", "Larkfield", "Castellane",
)  # fmt: skip
FOREIGN_WORD = ("Optik", "Metrology", "Precision", "Instruments", "Automation", "Sensors", "Messtechnik", "Dynamics")
FOREIGN_PLACES = (
    ("GmbH", "EUR", "Hamburg", "DE"),
    ("LLC", "USD", "Austin", "US"),
    ("AB", "EUR", "Uppsala", "SE"),
    ("Ltd", "USD", "Leeds", "GB"),
    ("Srl", "EUR", "Torino", "IT"),
    ("Inc", "USD", "Toronto", "CA"),
    ("Pte Ltd", "USD", "Singapore", "SG"),
    ("AG", "EUR", "Basel", "CH"),
)
SHORT_WORDS = {
    "体外诊断": "诊断",
    "高分子材料": "高分子",
    "飞行器部件": "飞行器",
    "汽车零部件": "汽配",
    "计量检测": "计量",
    "检验认证": "认证",
    "传动系统": "传动",
    "自动化": "自动化",
    "微电子": "微电子",
    "半导体": "半导体",
    "新能源科技": "新能源",
    "新材料": "新材",
    "航天材料": "航材",
}
